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
pub(super) const MOST: usize = 32 << 20;

/// Cuts answers off that are longer, so that none fills the memory.
#[derive(Debug)]
pub(crate) struct AnswerLimit;

/// The interceptor, for any client.
pub(crate) fn bounded() -> AnswerLimit {
    AnswerLimit
}

/// The error of an answer whose header says that it is longer.
#[derive(Debug, thiserror::Error)]
#[error("the answer has {0} bytes, more than {MOST}")]
pub(crate) struct TooLong(u64);

/// Whether an error says that an answer is too long.
pub(crate) fn too_long(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<LengthLimitError>() || error.is::<TooLong>() {
            return true;
        }
        cause = error.source();
    }
    false
}

#[dyn_dispatch_hint]
impl Intercept for AnswerLimit {
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
            Some(length) if length > MOST as u64 => return Err(TooLong(length).into()),
            _ => {}
        }
        let whole = std::mem::replace(body, SdkBody::taken());
        *body = SdkBody::from_body_1_x(Limited::new(whole, MOST));
        Ok(())
    }
}
