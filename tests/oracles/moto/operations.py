"""The operations that moto lacks: operations.py OPERATIONS

OPERATIONS is a JSON object of the operations of each service, by moto's name of the service; the same object with those that
are missing is printed. An operation is there where moto's dispatcher finds a method for it that does more than to refuse.
"""

import importlib
import inspect
import json
import sys

from moto.core.utils import camelcase_to_underscores, method_names_from_class

CLASSES = {
    "autoscaling": ("moto.autoscaling.responses", "AutoScalingResponse"),
    "ebs": ("moto.ebs.responses", "EBSResponse"),
    "ec2": ("moto.ec2.responses", "EC2Response"),
    "kms": ("moto.kms.responses", "KmsResponse"),
    "ssm": ("moto.ssm.responses", "SimpleSystemManagerResponse"),
    "sts": ("moto.sts.responses", "TokenResponse"),
}


def missing(service, operations):
    module, name = CLASSES[service]
    responses = getattr(importlib.import_module(module), name)
    methods = set(method_names_from_class(responses))

    def has(operation):
        method = camelcase_to_underscores(operation)
        return method in methods and "NotImplementedError" not in inspect.getsource(getattr(responses, method))

    return [operation for operation in operations if not has(operation)]


asked = json.loads(sys.argv[1])
print(json.dumps({service: missing(service, operations) for service, operations in asked.items()}))
