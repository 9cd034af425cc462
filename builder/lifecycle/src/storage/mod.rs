//! Backup of AMIs and storage of their snapshots: store and restore, copies, tiers, locks, fast snapshot restore.
