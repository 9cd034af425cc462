"""Prints the endpoints that botocore's own rules give, as lines of `service region fips dual-stack url`."""

import botocore.endpoint_provider
import botocore.loaders

loader = botocore.loaders.Loader()
partitions = loader.load_data("partitions")
for service in ("ec2", "autoscaling", "ssm"):
    rules = loader.load_service_model(service, "endpoint-rule-set-1")
    provider = botocore.endpoint_provider.EndpointProvider(rules, partitions)
    for partition in partitions["partitions"]:
        # Global pseudo-regions of partitions do not have these services.
        for region in [name for name in partition["regions"] if not name.endswith("-global")] + ["xx-new-9"]:
            for fips in (False, True):
                for dual in (False, True):
                    endpoint = provider.resolve_endpoint(Region=region, UseFIPS=fips, UseDualStack=dual)
                    print(service, region, str(fips).lower(), str(dual).lower(), endpoint.url)
