"""What an account has before a command runs: `key` makes a key with the alias alias/web, `encrypt` encrypts every new
snapshot with the key that AWS provides, `versions IMAGE` fills a channel with as many versions as a parameter can have, of
which the oldest has a label, `template IMAGE` makes a launch template of an image."""

import sys

import clients


def main():
    region = clients.Region(clients.endpoint(), "us-east-1")
    if sys.argv[2] == "key":
        key = region.kms.create_key()["KeyMetadata"]["KeyId"]
        region.kms.create_alias(AliasName="alias/web", TargetKeyId=key)
    elif sys.argv[2] == "versions":
        name = "/amiforge/web/old"
        for _ in range(100):
            region.ssm.put_parameter(
                Name=name, Value=sys.argv[3], Type="String", DataType="aws:ec2:image", Overwrite=True
            )
        region.ssm.label_parameter_version(Name=name, ParameterVersion=1, Labels=["version-0"])
    elif sys.argv[2] == "template":
        region.ec2.create_launch_template(LaunchTemplateName="web", LaunchTemplateData={"ImageId": sys.argv[3]})
    else:
        region.ec2.enable_ebs_encryption_by_default()


main()
