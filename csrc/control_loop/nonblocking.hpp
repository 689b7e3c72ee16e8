// Marks what runs while a robot waits: RealtimeSanitizer aborts where it allocates, locks or
// sleeps.
#pragma once

// Stands after `noexcept`. Compilers other than clang check nothing here.
#if defined(__clang__) && __clang_major__ >= 20
#define LAPA_EDGE_NONBLOCKING [[clang::nonblocking]]
#else
#define LAPA_EDGE_NONBLOCKING
#endif
