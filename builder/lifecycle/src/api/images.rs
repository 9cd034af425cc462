//! Images of an account: references, use, clean-up, recycle bin (EC2 API version 2016-11-15).
