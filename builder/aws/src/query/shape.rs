//! Calls and the values of their inputs and outputs, and the macros that declare them.

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;

use super::QueryService;
use super::field::Shape;
use super::form::{FormWriter, InputValue, Write};
use super::xml::{MalformedResponse, OutputValue, XmlElement};

/// Input and output of a call, for comparison with the model of the service.
#[derive(Debug, Clone, Copy)]
pub struct Description {
    /// The service.
    pub service: QueryService,
    /// Name of the call, such as `RegisterImage`.
    pub name: &'static str,
    /// Its input: a [`Shape::Structure`].
    pub input: Shape,
    /// The part of its output that is read: a [`Shape::Structure`].
    pub output: Shape,
}

/// A call; the fields of the type are its input.
pub(crate) trait Operation: InputValue + Sync {
    /// The service.
    const SERVICE: QueryService;
    /// Its name.
    const NAME: &'static str;
    /// The part of its output that is read.
    type Output: OutputValue + Send;

    /// Its description.
    const DESCRIPTION: Description = Description {
        service: Self::SERVICE,
        name: Self::NAME,
        input: Self::SHAPE,
        output: <Self::Output as OutputValue>::SHAPE,
    };
}

/// A call with a paged output.
pub(crate) trait Paged: Operation + Send {
    /// Type of the items.
    type Item: Send;

    /// Sets the token of the page to request.
    fn set_token(&mut self, token: String);

    /// The items of a page, and the token of the next page.
    fn into_items(page: Self::Output) -> (Vec<Self::Item>, Option<String>);
}

/// A time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Timestamp {
    /// Seconds since 1970.
    pub(crate) seconds: i64,
    text: String,
}

impl Timestamp {
    /// Parses RFC 3339.
    pub(crate) fn parse(text: &str) -> Result<Self, MalformedResponse> {
        let date_time = DateTime::from_str(text, Format::DateTimeWithOffset);
        let written =
            date_time.ok().and_then(|date_time| Some((date_time, date_time.fmt(Format::DateTime).ok()?)));
        let (date_time, text) =
            written.ok_or_else(|| MalformedResponse::new(format!("`{text}` is not a moment")))?;
        Ok(Self { seconds: date_time.secs(), text })
    }

    /// The time in RFC 3339, in UTC.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }
}

impl Write for String {
    fn write(&self, to: FormWriter<'_>) {
        to.text(self);
    }
}

impl InputValue for String {
    const SHAPE: Shape = Shape::Text;
}

impl OutputValue for String {
    const SHAPE: Shape = Shape::Text;

    fn read(element: XmlElement<'_, '_>) -> Result<Self, MalformedResponse> {
        Ok(element.text()?.to_owned())
    }
}

impl Write for bool {
    fn write(&self, to: FormWriter<'_>) {
        to.text(if *self { "true" } else { "false" });
    }
}

impl InputValue for bool {
    const SHAPE: Shape = Shape::Boolean;
}

impl OutputValue for bool {
    const SHAPE: Shape = Shape::Boolean;

    fn read(element: XmlElement<'_, '_>) -> Result<Self, MalformedResponse> {
        match element.text()? {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(element.malformed("neither `true` nor `false`")),
        }
    }
}

impl Write for u64 {
    fn write(&self, to: FormWriter<'_>) {
        to.text(&self.to_string());
    }
}

impl InputValue for u64 {
    const SHAPE: Shape = Shape::Integer;
}

impl OutputValue for u64 {
    const SHAPE: Shape = Shape::Integer;

    fn read(element: XmlElement<'_, '_>) -> Result<Self, MalformedResponse> {
        element.text()?.parse().map_err(|_| element.malformed("not a whole number"))
    }
}

impl Write for Timestamp {
    fn write(&self, to: FormWriter<'_>) {
        to.text(&self.text);
    }
}

impl InputValue for Timestamp {
    const SHAPE: Shape = Shape::Timestamp;
}

impl OutputValue for Timestamp {
    const SHAPE: Shape = Shape::Timestamp;

    fn read(element: XmlElement<'_, '_>) -> Result<Self, MalformedResponse> {
        Self::parse(element.text()?).map_err(|_| element.malformed("not a moment"))
    }
}

impl<T: Write> Write for Option<T> {
    fn write(&self, to: FormWriter<'_>) {
        if let Some(value) = self {
            value.write(to);
        }
    }
}

impl<T: InputValue> InputValue for Option<T> {
    const SHAPE: Shape = T::SHAPE;
}

impl<T: OutputValue> OutputValue for Option<T> {
    const SHAPE: Shape = T::SHAPE;

    fn read(element: XmlElement<'_, '_>) -> Result<Self, MalformedResponse> {
        T::read(element).map(Some)
    }
}

impl<T: InputValue> Write for Vec<T> {
    fn write(&self, to: FormWriter<'_>) {
        to.list(self);
    }
}

impl<T: InputValue> InputValue for Vec<T> {
    const SHAPE: Shape = Shape::List(&T::SHAPE);
}

impl<T: OutputValue> OutputValue for Vec<T> {
    const SHAPE: Shape = Shape::List(&T::SHAPE);

    fn read(element: XmlElement<'_, '_>) -> Result<Self, MalformedResponse> {
        element.items()?.into_iter().map(T::read).collect()
    }
}

/// Declares structures of inputs: each field with its type and its name on the wire.
macro_rules! inputs {
    ($($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $field:ident: $type:ty = $wire:literal,)* })*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub(crate) struct $name {
            $($(#[$doc])* pub(crate) $field: $type,)*
        }

        impl $crate::query::InputValue for $name {
            const SHAPE: $crate::query::Shape = $crate::query::Shape::Structure(&[
                $($crate::query::Field {
                    name: $wire,
                    shape: <$type as $crate::query::InputValue>::SHAPE,
                },)*
            ]);
        }

        impl $crate::query::Write for $name {
            fn write(&self, to: $crate::query::FormWriter<'_>) {
                to.structure(&[$(($wire, &self.$field as &dyn $crate::query::Write),)*]);
            }
        }
    )*};
}

/// Declares structures of outputs: each field that is read, with its type and its name on the wire.
macro_rules! outputs {
    ($($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $field:ident: $type:ty = $wire:literal,)* })*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub(crate) struct $name {
            $($(#[$doc])* pub(crate) $field: $type,)*
        }

        impl $crate::query::OutputValue for $name {
            const SHAPE: $crate::query::Shape = $crate::query::Shape::Structure(&[
                $($crate::query::Field {
                    name: $wire,
                    shape: <$type as $crate::query::OutputValue>::SHAPE,
                },)*
            ]);

            fn read(
                element: $crate::query::XmlElement<'_, '_>,
            ) -> Result<Self, $crate::query::MalformedResponse> {
                element.structure()?;
                Ok(Self { $($field: element.field($wire)?,)* })
            }
        }
    )*};
}

/// Declares the table of a service's calls: `Name -> Output`, where `Name` is also the structure of the input.
macro_rules! operations {
    ($(#[$meta:meta])* $vis:vis $table:ident of $service:path: $($name:ident -> $output:ident,)*) => {
        $(impl $crate::query::Operation for $name {
            const SERVICE: $crate::query::QueryService = $service;
            const NAME: &'static str = stringify!($name);
            type Output = $output;
        })*

        $(#[$meta])*
        $vis const $table: &[$crate::query::Description] =
            &[$(<$name as $crate::query::Operation>::DESCRIPTION,)*];
    };
}

/// Declares a call with a paged output, which has `next_token` and a list: `Name: list of Item`.
macro_rules! paged {
    ($($name:ident: $list:ident of $item:ident,)*) => {$(
        impl $crate::query::Paged for $name {
            type Item = $item;

            fn set_token(&mut self, token: String) {
                self.next_token = Some(token);
            }

            fn into_items(page: <Self as $crate::query::Operation>::Output) -> (Vec<$item>, Option<String>) {
                (page.$list, page.next_token.filter(|token| !token.is_empty()))
            }
        }
    )*};
}

pub(crate) use {inputs, operations, outputs, paged};
