"""The methods: SimCLR, MoCo and BYOL, their losses and what the losses need."""
