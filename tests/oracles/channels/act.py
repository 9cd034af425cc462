"""What others do to channels and images, with boto3.

    act.py ENDPOINT REGION text NAME             a parameter of the data type `text`
    act.py ENDPOINT REGION put NAME IMAGE        a plain version
    act.py ENDPOINT REGION label NAME VERSION LABEL
    act.py ENDPOINT REGION fill NAME IMAGE COUNT versions
    act.py ENDPOINT REGION disable|enable|deregister|share|publish IMAGE
    act.py ENDPOINT REGION register NAME ARCHITECTURE SNAPSHOT     prints the image
"""

import sys

import boto3

ACCESS_KEY_ID = "AKIALOCALREGION00000"
SECRET_ACCESS_KEY = "local-region-secret-key"


def put(ssm, name, image):
    """A plain version."""
    ssm.put_parameter(Name=name, Type="String", DataType="aws:ec2:image", Value=image, Overwrite=True)


def main(endpoint, region, what, *args):
    def client(service):
        return boto3.client(
            service,
            endpoint_url=endpoint,
            region_name=region,
            aws_access_key_id=ACCESS_KEY_ID,
            aws_secret_access_key=SECRET_ACCESS_KEY,
        )

    ec2, ssm = client("ec2"), client("ssm")
    if what == "text":
        ssm.put_parameter(Name=args[0], Type="String", Value="ami-0123456789abcdef0")
    elif what == "put":
        put(ssm, *args)
    elif what == "label":
        ssm.label_parameter_version(Name=args[0], ParameterVersion=int(args[1]), Labels=[args[2]])
    elif what == "fill":
        for _ in range(int(args[2])):
            put(ssm, *args[:2])
    elif what == "disable":
        ec2.disable_image(ImageId=args[0])
    elif what == "enable":
        ec2.enable_image(ImageId=args[0])
    elif what == "deregister":
        ec2.deregister_image(ImageId=args[0])
    elif what == "share":
        ec2.modify_image_attribute(ImageId=args[0], LaunchPermission={"Add": [{"UserId": "111122223333"}]})
    elif what == "publish":
        ec2.disable_image_block_public_access()
        ec2.modify_image_attribute(ImageId=args[0], LaunchPermission={"Add": [{"Group": "all"}]})
    elif what == "register":
        root = {"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": args[2]}}
        image = ec2.register_image(
            Name=args[0],
            Architecture=args[1],
            VirtualizationType="hvm",
            RootDeviceName="/dev/xvda",
            BlockDeviceMappings=[root],
        )
        print(image["ImageId"])
    else:
        raise SystemExit(f"unknown: {what}")


main(*sys.argv[1:])
