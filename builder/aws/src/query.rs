//! A client of services with form-encoded requests and XML responses: EC2, Auto Scaling and similar.
//!
//! AWS's generated client for EC2 is 1.24 million lines, of which AMIs need some forty calls, and takes 6 GB to
//! compile. Here a call is a structure for its input and one for its output, each field with its name on the wire
//! ([`shape`]), and a row in the table of its service. Everything else is AWS's own runtime, as in a generated client:
//! orchestration, credentials, signature, timeouts, user agent, connections ([`client`]). A test compares names and
//! types with the model of each service.
//!
//! AWS query protocol and AWS EC2 query protocol, Smithy specification 2.0.

mod client;
mod field;
mod form;
mod shape;
mod tree;
mod xml;

pub(super) use client::Client;
pub use field::{Field, Shape};
pub(super) use form::{FormWriter, InputValue, Write};
pub use shape::Description;
pub(super) use shape::{Operation, Paged, Timestamp, inputs, operations, outputs, paged};
pub(super) use tree::Tree;
pub(super) use xml::{MalformedResponse, OutputValue, XmlElement, document, refusal};

/// A service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueryService {
    /// Service id in configurations, such as `EC2`.
    pub id: &'static str,
    /// Prefix of host names and signing name.
    pub name: &'static str,
    /// API version, a date.
    pub version: &'static str,
    /// Its protocol.
    pub protocol: Protocol,
}

/// Encoding of requests and responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// `Parameter.1=` and `<SomethingResponse><list><item>`.
    Ec2,
    /// `Parameter.member.1=` and `<SomethingResponse><SomethingResult><list><member>`.
    Query,
    /// JSON in both directions ([`super::json`]).
    Json,
}

impl Protocol {
    /// Element name of list items in a response.
    fn item(self) -> &'static str {
        match self {
            Self::Ec2 => "item",
            Self::Query | Self::Json => "member",
        }
    }
}
