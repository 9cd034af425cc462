//! SSM, as far as parameters go (API version 2014-11-06, JSON 1.1).

mod call;
mod fault;
mod filters;
mod labels;
pub(crate) mod parameters;
mod put;
mod read;
mod tags;
mod voice;

use http::StatusCode;
use serde_json::Value;

use self::call::Call;
use self::fault::Fault;
use crate::door::reply::{Response, reply, with};
use crate::door::signed::Signed;
use crate::world::{Region, World};

pub(crate) use self::voice::{error, fail, refuse};

/// The name of what a request asks for.
pub(crate) fn action(request: &Signed) -> String {
    let target = request.header("x-amz-target").unwrap_or_default();
    target.rsplit('.').next().unwrap_or_default().to_owned()
}

/// Answers a request.
#[expect(clippy::unused_async, reason = "all services are asked in the same way")]
pub(crate) async fn answer(world: &World, region: &Region, request: Signed) -> Response {
    let call = Call { account: &request.account, region, world, now: world.now(), body: request.body() };
    match perform(&action(&request), &call) {
        Ok(value) => {
            let response = reply(StatusCode::OK, "application/x-amz-json-1.1", value.to_string());
            with(response, "x-amzn-requestid", &request.request_id)
        }
        Err(fault) => {
            let status = StatusCode::from_u16(fault.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            error(status, &fault.name, &fault.message, &request.request_id)
        }
    }
}

fn perform(action: &str, call: &Call<'_>) -> Result<Value, Fault> {
    match action {
        "AddTagsToResource" => tags::add(call),
        "DeleteParameter" => put::delete_parameter(call),
        "DeleteParameters" => put::delete_parameters(call),
        "DescribeParameters" => filters::describe_parameters(call),
        "GetParameter" => read::one_parameter(call),
        "GetParameterHistory" => read::history(call),
        "GetParameters" => read::named_parameters(call),
        "GetParametersByPath" => read::parameters_below(call),
        "LabelParameterVersion" => labels::label(call),
        "ListTagsForResource" => tags::list(call),
        "PutParameter" => put::put_parameter(call),
        "RemoveTagsFromResource" => tags::remove(call),
        "UnlabelParameterVersion" => labels::unlabel(call),
        _ => Err(Fault::new("UnknownOperationException", "")),
    }
}
