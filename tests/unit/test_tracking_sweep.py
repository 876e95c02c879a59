"""What a sweep's run keeps of the commands it was continued with."""

import json

from sweep.tracking_sweep import LONGEST_TAG, earlier_commands


def test_each_command_is_kept_once_in_the_order_of_its_first_time():
    tags = {"command": "first"}
    for command in ("second", "first", "third", "third"):
        tags = {"earlier_commands": earlier_commands(tags, command), "command": command}
    assert json.loads(tags["earlier_commands"]) == ["second", "first"]


def test_the_same_command_again_is_no_earlier_one():
    assert earlier_commands({"command": "same"}, "same") == "[]"


def test_the_oldest_are_forgotten_where_a_tag_ends():
    tags = {"command": "0" * 1000}
    for number in range(1, 10):
        command = str(number) * 1000
        tags = {"earlier_commands": earlier_commands(tags, command), "command": command}
    assert len(tags["earlier_commands"]) <= LONGEST_TAG
    assert [one[0] for one in json.loads(tags["earlier_commands"])] == ["5", "6", "7", "8"]
