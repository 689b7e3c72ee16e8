"""The three networks: latent action model, latent policy, action head."""
