"""The methods SimCLR, MoCo and BYOL, with their losses."""
