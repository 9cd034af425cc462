//! A client of the services that take a form and answer with XML: EC2, Auto Scaling and their like.
//!
//! AWS's generated client for EC2 is 1.24 million lines, of which the life of an image needs some forty calls, and
//! takes 6 GB to compile. Here a call is a structure of its parameters and one of its answer, each field with its name
//! on the wire ([`shape`]), and a row in the table of its service. Everything else is AWS's own runtime, as in a
//! generated client: orchestration, credentials, signature, time-outs, user agent, connections ([`client`]).
//! Names and types are held against the model of each service by a test.
//!
//! AWS query protocol and AWS EC2 query protocol, Smithy specification 2.0.

mod client;
mod form;
mod shape;
mod xml;

pub(super) use client::Client;
pub(super) use form::FormWriter;
pub use shape::{Description, Field, Shape};
pub(super) use shape::{
    InputValue, Operation, OutputValue, Paged, Timestamp, Write, inputs, operations, outputs, paged,
};
pub(super) use xml::{MalformedResponse, XmlElement};

/// A service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueryService {
    /// Its id, by which a configuration names it, such as `EC2`.
    pub id: &'static str,
    /// The beginning of its host names, which is also its name in a signature.
    pub name: &'static str,
    /// The version of its interface, a date.
    pub version: &'static str,
    /// How its requests and answers are written.
    pub protocol: Protocol,
}

/// How requests and answers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// `Parameter.1=` and `<SomethingResponse><list><item>`.
    Ec2,
    /// `Parameter.member.1=` and `<SomethingResponse><SomethingResult><list><member>`.
    Query,
}

impl Protocol {
    /// The name of an element of a list in an answer.
    fn item(self) -> &'static str {
        match self {
            Self::Ec2 => "item",
            Self::Query => "member",
        }
    }
}
