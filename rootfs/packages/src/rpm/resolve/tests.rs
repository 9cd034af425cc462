//! Small universes in lines, as in the tests against dnf.
