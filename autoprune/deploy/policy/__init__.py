"""What `autoprune search` writes of the policy it chose: policy.json."""
