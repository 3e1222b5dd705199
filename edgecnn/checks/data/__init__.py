"""`edgecnn data check`: what is wrong with pictures of one's own, before anything is learnt from them."""
