"""Prints the endpoints that botocore's own rules give, as lines of `service region fips dual-stack url`; `none` where
there is none."""

import botocore.endpoint_provider
import botocore.exceptions
import botocore.loaders

loader = botocore.loaders.Loader()
partitions = loader.load_data("partitions")
for service in ("ec2", "autoscaling", "ssm", "s3"):
    rules = loader.load_service_model(service, "endpoint-rule-set-1")
    # The rules of S3 depend on how a bucket is addressed.
    more = {"ForcePathStyle": True, "UseGlobalEndpoint": False} if service == "s3" else {}
    provider = botocore.endpoint_provider.EndpointProvider(rules, partitions)
    for partition in partitions["partitions"]:
        # Global pseudo-regions of partitions do not have these services.
        for region in [name for name in partition["regions"] if not name.endswith("-global")] + ["xx-new-9"]:
            for fips in (False, True):
                for dual in (False, True):
                    try:
                        parameters = {"Region": region, "UseFIPS": fips, "UseDualStack": dual, **more}
                        url = provider.resolve_endpoint(**parameters).url
                    except botocore.exceptions.EndpointResolutionError:
                        url = "none"
                    print(service, region, str(fips).lower(), str(dual).lower(), url)
