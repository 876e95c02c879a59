import pytest

from facerec_core.arch import layers
from facerec_core.cost import layer_weights, macs_by_kind
from facerec_core.errors import OptionError
from facerec_core.latency import read_table, table_path
from facerec_core.reference_networks import mobilenet_v1, reference_network


def millions(network):
    return sum(macs_by_kind(network).values()) / 1e6


class TestPublishedCounts:
    def test_mobilenet_v1_at_full_width_has_569_million_macs_and_4_2_million_parameters(self):
        network = mobilenet_v1(1.0, 224, classes=1000)
        assert round(millions(network)) == 569  # arXiv:1704.04861, table 4
        assert sum(map(layer_weights, network)) / 1e6 == pytest.approx(4.2, abs=0.02)

    def test_the_visual_wake_words_network_of_mlperf_tiny_has_7_49_million(self):
        network = mobilenet_v1(0.25, 96, classes=2)
        assert millions(network) == pytest.approx(7.49, abs=0.0005)
        rows = read_table(table_path("stm32f746_x-cube-ai_8.0.0.csv")).rows
        printed = next(row for row in rows if row.model == "MobileNetV1")
        assert printed.macs_millions == 7.49
        assert printed.timed_network == network

    @pytest.mark.parametrize(("width", "resolution", "printed"), [(0.75, 224, 325), (0.5, 224, 149), (0.25, 224, 41)])
    def test_narrower_networks(self, width, resolution, printed):
        assert round(millions(mobilenet_v1(width, resolution, classes=1000))) == printed  # arXiv:1704.04861, table 6

    def test_lower_resolutions(self):
        printed = {192: 418, 160: 290, 128: 186}  # arXiv:1704.04861, table 7
        for side, count in printed.items():
            assert millions(mobilenet_v1(1.0, side, classes=1000)) == pytest.approx(count, abs=0.7)


class TestReferenceNetwork:
    def test_a_gray_image_saves_two_thirds_of_the_stem(self):
        for model, last in (("MobileNetV1", 256), ("MobileNetV2", 1280)):
            colour, gray = (macs_by_kind(reference_network(model, 0.25, 96, c, last, 5)) for c in (3, 1))
            assert gray["conv"] * 3 == colour["conv"]
            assert {**gray, "conv": 0} == {**colour, "conv": 0}

    def test_mobilenet_v2_is_the_projects_own(self):
        assert reference_network("MobileNetV2", 0.35, 96, 3, 448, None) == layers(0.35, 96, 448)

    def test_the_head_comes_last_and_only_when_asked(self):
        with_head, without = mobilenet_v1(0.5, 128, classes=7), mobilenet_v1(0.5, 128)
        assert with_head[:-1] == without
        assert (with_head[-1].kind, with_head[-1].channels_in, with_head[-1].channels_out) == ("dense", 512, 7)

    def test_mobilenet_v1_has_no_choice_of_its_last_convolution(self):
        with pytest.raises(OptionError, match=r"^embedding: got 1280, allowed: 256"):
            reference_network("MobileNetV1", 0.25, 96, 3, 1280, 2)

    @pytest.mark.parametrize("arguments", [(0.0, 96), (0.5, 0), (float("nan"), 96), (0.5, 96, 0), (0.5, 96, 3, 0)])
    def test_what_describes_no_network_is_refused(self, arguments):
        with pytest.raises(OptionError):
            mobilenet_v1(*arguments)
