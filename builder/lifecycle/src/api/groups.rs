//! Auto Scaling groups and instance refreshes (API version 2011-01-01).
