"""`edgecnn verify`: whether several deployments of one net answer alike, and where they part."""
