//! Types of values on the wire, as the model of a service names them.

/// The type of a value on the wire.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Shape {
    /// Text, including enumerations.
    Text,
    /// `true` or `false`.
    Boolean,
    /// A whole number.
    Integer,
    /// Bytes, in base64 in JSON.
    Blob,
    /// A time in RFC 3339.
    Timestamp,
    /// A list.
    List(&'static Shape),
    /// A structure.
    Structure(&'static [Field]),
}

/// A member of a structure.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its name on the wire.
    pub name: &'static str,
    /// Its shape.
    pub shape: Shape,
}
