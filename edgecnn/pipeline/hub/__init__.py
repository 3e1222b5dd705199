"""Models on a hub that speaks Hugging Face's protocol: `edgecnn push` and `edgecnn pull`."""
