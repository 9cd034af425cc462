//! The longest answer that is read.

use std::error::Error;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeDeserializationInterceptorContextMut;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use http_body_util::{LengthLimitError, Limited};

/// Bytes of the longest answer: a page of 1,000 images, each with 50 tags, has some 10 MiB.
const MAX_LEN: usize = 32 << 20;

/// Cuts answers off that are longer, so that none fills the memory.
#[derive(Debug)]
pub(super) struct ResponseLimit;

/// The interceptor, for any client.
pub(super) fn response_limit() -> ResponseLimit {
    ResponseLimit
}

/// The error of an answer whose header says that it is longer.
#[derive(Debug, thiserror::Error)]
#[error("the answer has {0} bytes, more than {MAX_LEN}")]
pub(super) struct ResponseTooLong(u64);

/// Whether an error says that an answer is too long.
pub(super) fn is_too_long(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<LengthLimitError>() || error.is::<ResponseTooLong>() {
            return true;
        }
        cause = error.source();
    }
    false
}

#[dyn_dispatch_hint]
impl Intercept for ResponseLimit {
    fn name(&self) -> &'static str {
        "Bounded"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context.response_mut().body_mut();
        match body.content_length() {
            Some(length) if length > MAX_LEN as u64 => return Err(ResponseTooLong(length).into()),
            _ => {}
        }
        let whole = std::mem::replace(body, SdkBody::taken());
        *body = SdkBody::from_body_1_x(Limited::new(whole, MAX_LEN));
        Ok(())
    }
}
