"""The three stages: latents, policy, actions; one plain loop under all of them."""
