"""A synthesized template as tests ask about it."""

from dataclasses import dataclass
from typing import Any

type Properties = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Template:
    """One stack's CloudFormation template."""

    document: dict[str, Any]

    @property
    def outputs(self) -> dict[str, Any]:
        """Output values by name."""
        return {name: output["Value"] for name, output in self.document["Outputs"].items()}

    def ids(self, kind: str) -> list[str]:
        """Logical ids of all resources of one type."""
        return [name for name, resource in self.document["Resources"].items() if resource["Type"] == kind]

    def all(self, kind: str) -> list[Properties]:
        """Properties of all resources of one type."""
        return [self.properties(name) for name in self.ids(kind)]

    def only(self, kind: str) -> Properties:
        """Properties of the single resource of a type."""
        (properties,) = self.all(kind)
        return properties

    def properties(self, logical_id: str) -> Properties:
        """Properties of one resource."""
        found: Properties = self.document["Resources"][logical_id].get("Properties", {})
        return found

    def function_id(self, name: str) -> str:
        """Logical id of the Lambda function with this physical name."""
        (found,) = (
            logical_id
            for logical_id in self.ids("AWS::Lambda::Function")
            if self.properties(logical_id)["FunctionName"] == name
        )
        return found

    def function(self, name: str) -> Properties:
        """Properties of the Lambda function with this physical name."""
        return self.properties(self.function_id(name))

    def mapping_id(self, name: str) -> str:
        """Logical id of the only event source mapping of the Lambda function with this physical name."""
        function = self.function_id(name)
        (found,) = (
            logical_id
            for logical_id in self.ids("AWS::Lambda::EventSourceMapping")
            if target(self.properties(logical_id)["FunctionName"]) == function
        )
        return found

    def mapping(self, name: str) -> Properties:
        """Properties of that mapping."""
        return self.properties(self.mapping_id(name))

    def statements_of_role(self, role_id: str) -> list[dict[str, Any]]:
        """Every inline policy statement of a role."""
        return [
            statement
            for policy in self.all("AWS::IAM::Policy")
            if {"Ref": role_id} in policy["Roles"]
            for statement in policy["PolicyDocument"]["Statement"]
        ]

    def waits_for(self, logical_id: str) -> set[str]:
        """Everything that CloudFormation creates before this resource: named dependencies and references, followed."""
        seen: set[str] = set()
        ahead = [logical_id]
        while ahead:
            for name in self._needs(ahead.pop()) - seen:
                seen.add(name)
                ahead.append(name)
        return seen

    def _needs(self, logical_id: str) -> set[str]:
        resource = self.document["Resources"][logical_id]
        named = resource.get("DependsOn", [])
        found = {named} if isinstance(named, str) else set(named)
        return found | {
            name for name in _references(resource.get("Properties", {})) if name in self.document["Resources"]
        }


def target(reference: Any) -> str:
    """The logical id in a `Ref` or `Fn::GetAtt`, wherever it is inside of a joined text."""
    (found,) = _references(reference) - {"AWS::Partition", "AWS::Region", "AWS::AccountId"}
    return found


def _references(value: object) -> set[str]:
    if isinstance(value, list):
        return set().union(*map(_references, value))
    if not isinstance(value, dict):
        return set()
    if "Ref" in value:
        return {str(value["Ref"])}
    if "Fn::GetAtt" in value:
        return {str(value["Fn::GetAtt"][0])}
    return set().union(*map(_references, value.values()))
