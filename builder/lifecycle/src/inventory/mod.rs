//! Inventory: the AMIs of an account with their versions, use and cost.
