//! Fleets that follow a channel: launch templates and Auto Scaling groups.
