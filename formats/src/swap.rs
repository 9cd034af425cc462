//! Swap areas, as mkswap writes them.
