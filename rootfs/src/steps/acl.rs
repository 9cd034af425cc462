//! POSIX ACLs: the text of setfacl(1) to the bytes of `system.posix_acl_access` and `system.posix_acl_default`.
