//! Store and restore tasks, storage tiers, locks and fast snapshot restore (EC2 API version 2016-11-15).
