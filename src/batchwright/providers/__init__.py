"""The provider seam: the contract in `base`, one folder a vendor beside it."""
