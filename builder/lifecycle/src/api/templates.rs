//! Launch templates and their versions (EC2 API version 2016-11-15).
