"""Plain folders: of videos, of frames, Something-Something."""
