//! Oracles, generators and other tools of the test suites.
