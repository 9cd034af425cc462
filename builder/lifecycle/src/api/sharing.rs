//! Launch permissions and Allowed AMIs settings (EC2 API version 2016-11-15).
