//! Calls of services with JSON requests and responses (AWS JSON 1.1): KMS and SSM.
//!
//! As in [`super::query`], a call is a structure for its input and one for its output, each field with its name on the
//! wire, and a row in the table of its service, which a test compares with the model of the service. Requests go
//! through the same client.

use amiforge_publish::service_error::ServiceError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::query::{Client, Description, QueryService, Shape};

/// A value in JSON; the default is a value that is left out.
pub(crate) trait JsonValue: Default {
    /// Its shape.
    const SHAPE: Shape;

    /// Whether it is left out of a request.
    fn is_absent(&self) -> bool {
        false
    }
}

/// A call; the fields of the type are its input.
pub(crate) trait JsonOperation: JsonValue + Serialize + Sync {
    /// The service.
    const SERVICE: QueryService;
    /// Its name.
    const NAME: &'static str;
    /// The value of `X-Amz-Target`.
    const TARGET: &'static str;
    /// The part of its output that is read.
    type Output: JsonValue + DeserializeOwned;

    /// Its description.
    const DESCRIPTION: Description = Description {
        service: Self::SERVICE,
        name: Self::NAME,
        input: Self::SHAPE,
        output: <Self::Output as JsonValue>::SHAPE,
    };
}

/// Makes a call once.
pub(crate) async fn call<O: JsonOperation>(
    client: &Client,
    operation: &O,
) -> Result<O::Output, ServiceError> {
    // Serialization of structures of strings, numbers and lists to JSON cannot fail.
    let input = serde_json::to_value(operation).unwrap_or_default();
    client.call_json(O::SERVICE.id, O::NAME, O::TARGET, &input).await
}

/// A time, in seconds since 1970 with a fraction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct EpochSeconds(f64);

impl EpochSeconds {
    /// The whole seconds since 1970.
    pub(crate) fn seconds(self) -> i64 {
        self.0 as i64
    }
}

impl JsonValue for EpochSeconds {
    const SHAPE: Shape = Shape::Timestamp;
}

/// Bytes, in base64 on the wire.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct JsonBlob(pub(crate) Vec<u8>);

impl JsonValue for JsonBlob {
    const SHAPE: Shape = Shape::Blob;
}

impl Serialize for JsonBlob {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for JsonBlob {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map(Self).map_err(serde::de::Error::custom)
    }
}

impl JsonValue for String {
    const SHAPE: Shape = Shape::Text;
}

impl JsonValue for bool {
    const SHAPE: Shape = Shape::Boolean;
}

impl JsonValue for u64 {
    const SHAPE: Shape = Shape::Integer;
}

impl<T: JsonValue> JsonValue for Option<T> {
    const SHAPE: Shape = T::SHAPE;

    fn is_absent(&self) -> bool {
        self.is_none()
    }
}

impl<T: JsonValue> JsonValue for Vec<T> {
    const SHAPE: Shape = Shape::List(&T::SHAPE);

    fn is_absent(&self) -> bool {
        self.is_empty()
    }
}

/// Declares structures of inputs and outputs: each field with its type and its name on the wire.
macro_rules! json_structures {
    ($($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $field:ident: $type:ty = $wire:literal,)* })*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(default)]
        pub(crate) struct $name {
            $(
                $(#[$doc])*
                #[serde(rename = $wire, skip_serializing_if = "crate::json::JsonValue::is_absent")]
                pub(crate) $field: $type,
            )*
        }

        impl $crate::json::JsonValue for $name {
            const SHAPE: $crate::query::Shape = $crate::query::Shape::Structure(&[
                $($crate::query::Field {
                    name: $wire,
                    shape: <$type as $crate::json::JsonValue>::SHAPE,
                },)*
            ]);
        }
    )*};
}

/// Declares the table of a service's calls, with the prefix of `X-Amz-Target`: `Name -> Output`, where `Name` is also
/// the structure of the input.
macro_rules! json_operations {
    ($(#[$meta:meta])* $vis:vis $table:ident of $service:path, $target:literal: $($name:ident -> $output:ident,)*) => {
        $(impl $crate::json::JsonOperation for $name {
            const SERVICE: $crate::query::QueryService = $service;
            const NAME: &'static str = stringify!($name);
            const TARGET: &'static str = concat!($target, ".", stringify!($name));
            type Output = $output;
        })*

        $(#[$meta])*
        $vis const $table: &[$crate::query::Description] =
            &[$(<$name as $crate::json::JsonOperation>::DESCRIPTION,)*];
    };
}

pub(crate) use {json_operations, json_structures};

#[cfg(test)]
mod tests {
    use super::*;

    json_structures! {
        /// A structure of every kind of value.
        Sample {
            /// Text.
            text: String = "Text",
            /// Optional.
            flag: Option<bool> = "Flag",
            /// A list.
            list: Vec<String> = "List",
            /// A time.
            at: EpochSeconds = "At",
        }
    }

    #[test]
    fn absent_values_are_left_out_and_unknown_ones_ignored() {
        let sample = Sample { text: "a".to_owned(), ..Sample::default() };
        assert_eq!(serde_json::to_value(&sample).unwrap(), serde_json::json!({ "Text": "a", "At": 0.0 }));
        let text = r#"{"Flag": true, "List": ["x"], "At": 1795240800.25, "Other": {}}"#;
        let read: Sample = serde_json::from_str(text).unwrap();
        assert_eq!(
            (read.flag, read.list, read.at.seconds()),
            (Some(true), vec!["x".to_owned()], 1_795_240_800)
        );
    }
}
