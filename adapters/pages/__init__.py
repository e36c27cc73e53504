"""Pages and papers for travellers, in English and Russian."""
