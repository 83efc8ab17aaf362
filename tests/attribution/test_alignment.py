"""A grid that does not lie over the whole image has no picture."""

import pytest
import torch
from torch import nn

import camlucida as cl
from camlucida.attribution import alignment
from camlucida.attribution.alignment_spots import Spot
from camlucida.core.errors import LayerError
from tests.support import nets


class Inside(nn.Module):
    """A convolutional network that changes its input first."""

    def __init__(self, change, axes: int = 2) -> None:
        super().__init__()
        conv = nn.Conv2d if axes == 2 else nn.Conv3d
        self.change = change
        self.encoder = nn.Sequential(conv(1, 4, 3, 2, 1), nn.ReLU(), conv(4, 6, 3, 2, 1), nn.ReLU())
        self.head = nn.Linear(6, 2)

    def forward(self, x):
        return self.head(self.encoder(self.change(x)).flatten(2).mean(2))


class Views(Inside):
    """The encoder runs on the image and then on its mirror image; both are averaged."""

    def forward(self, x):
        return (super().forward(x) + super().forward(x.flip(-1))) / 2


class LooksCloser(Inside):
    """The brightest quarter of the image is looked at alone."""

    def forward(self, x):
        quarters = [q for half in x.chunk(2, 2) for q in half.chunk(2, 3)]
        brightest = max(range(4), key=lambda n: float(quarters[n].detach().sum()))
        return super().forward(quarters[brightest])


def masked(x):
    """Nothing outside the middle; the middle stays where it is."""
    inside = torch.zeros_like(x)
    inside[..., 8:-8, 8:-8] = x[..., 8:-8, 8:-8]
    return inside


def warped(*matrix):
    """As a spatial transformer warps the image."""
    rows = torch.tensor([[*matrix[:2], 0.0], [*matrix[2:], 0.0]])

    def change(x):
        grid = nn.functional.affine_grid(rows.expand(len(x), 2, 3), x.shape, align_corners=False)
        return nn.functional.grid_sample(x, grid, align_corners=False)

    return change


def polar(x):
    """Rows are distances from the middle, columns are angles."""
    angle, radius = torch.linspace(0, 6.28, 32), torch.linspace(0, 1, 32)[:, None]
    grid = torch.stack([radius * angle.cos(), radius * angle.sin()], -1)
    return nn.functional.grid_sample(x, grid.expand(len(x), -1, -1, -1), align_corners=False)


def tiles_exchanged(x):
    """Stripes of the image in another order."""
    return torch.cat([x.chunk(4, 2)[i] for i in (2, 0, 3, 1)], 2)


def code_of(model, image=None, **options):
    nets.seeded(model)
    image = torch.rand(1, 1, 32, 32) if image is None else image
    (explanation,) = cl.explain(model, image, target=0, layer="encoder", **options)
    return None if explanation.no_picture is None else explanation.no_picture.code


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        pytest.param(lambda x: x, None, id="none"),
        pytest.param(lambda x: x * 2 - 1, None, id="scale"),
        pytest.param(lambda x: nn.functional.interpolate(x, (48, 48)), None, id="resize"),
        pytest.param(masked, None, id="mask"),
        pytest.param(lambda x: x[..., 6:-6, 6:-6], "misplaced.part", id="crop"),
        pytest.param(lambda x: x.flip(-1), "misplaced.mirrored", id="mirror"),
        pytest.param(lambda x: x.flip(-2), "misplaced.mirrored", id="upside down"),
        pytest.param(lambda x: x.rot90(1, (2, 3)), "misplaced.turned", id="turn"),
        pytest.param(lambda x: x.transpose(2, 3), "misplaced.turned", id="transpose"),
        pytest.param(lambda x: x.roll((16, 16), (2, 3)), "misplaced.elsewhere", id="roll"),
        pytest.param(
            lambda x: nn.functional.pad(x, (16, 16, 16, 16)), "misplaced.elsewhere", id="pad"
        ),
        pytest.param(
            lambda x: nn.functional.pad(x, (0, 32, 0, 32)), "misplaced.elsewhere", id="beside"
        ),
        pytest.param(lambda x: nn.functional.pad(x, (1, 1, 1, 1)), None, id="pad a little"),
        pytest.param(lambda x: (x - x.amin()) / (x.amax() - x.amin()), None, id="range"),
        pytest.param(lambda x: (x - x.mean()) / x.std(), None, id="standardise"),
        pytest.param(
            lambda x: torch.fft.fft2(x).abs().log1p(), "misplaced.elsewhere", id="fourier"
        ),
        pytest.param(warped(0.8, -0.6, 0.6, 0.8), "misplaced.elsewhere", id="rotate"),
        pytest.param(warped(2, 0, 0, 2), "misplaced.elsewhere", id="shrink"),
        pytest.param(polar, "misplaced.elsewhere", id="polar"),
        pytest.param(tiles_exchanged, "misplaced.elsewhere", id="tiles"),
    ],
)
@pytest.mark.parametrize("size", [32, 64])
def test_what_a_forward_does_to_the_place_of_a_map(change, code, size):
    assert code_of(Inside(change), torch.rand(1, 1, size, size)) == code


@pytest.mark.parametrize("size", [(32, 48), (48, 32), (32, 96)])
def test_an_image_that_is_resized_to_a_square(size):
    model = Inside(lambda x: nn.functional.interpolate(x, (64, 64)))
    assert code_of(model, torch.rand(1, 1, *size)) is None


@pytest.mark.parametrize("size", [(32, 48), (48, 32), (32, 96)])
@pytest.mark.parametrize("middle", [True, False])
def test_an_image_that_is_padded_to_a_square(size, middle):
    def pad(x):
        rows, columns = (max(size) - number for number in size)
        before = (columns // 2, rows // 2) if middle else (0, 0)
        edges = (before[0], columns - before[0], before[1], rows - before[1])
        return nn.functional.interpolate(nn.functional.pad(x, edges), (64, 64))

    assert code_of(Inside(pad), torch.rand(1, 1, *size)) == "misplaced.elsewhere"


def test_a_crop_before_layers_that_mix_all_places():
    class Mixes(Inside):
        def __init__(self):
            super().__init__(lambda x: nn.functional.interpolate(x[..., 10:-2, 6:-6], (32, 32)))
            self.mixer = nn.Linear(64, 64)
            self.encoder.append(nn.Flatten(2)).append(self.mixer).append(nn.Unflatten(2, (8, 8)))

    assert code_of(Mixes()) == "misplaced.elsewhere"


@pytest.mark.parametrize("method", ["gradcam", "eigencam", "ablationcam"])
def test_the_last_view_is_the_mirrored_one(method):
    assert code_of(Views(lambda x: x), method=method) == "misplaced.mirrored"


def test_a_region_that_the_model_chooses_is_a_part():
    image = torch.rand(1, 1, 32, 32)
    image[..., 16:, 16:] += 1
    assert code_of(LooksCloser(lambda x: x), image) == "misplaced.part"


def test_a_volume_that_is_mirrored_along_its_slices():
    volume = torch.rand(1, 1, 16, 16, 16)
    assert code_of(Inside(lambda x: x, 3), volume) is None
    assert code_of(Inside(lambda x: x.flip(2), 3), volume) == "misplaced.mirrored"


def test_a_volume_whose_axes_are_exchanged():
    volume = torch.rand(1, 1, 16, 16, 16)
    assert code_of(Inside(lambda x: x.transpose(2, 4), 3), volume) == "misplaced.elsewhere"
    assert code_of(Inside(lambda x: x.permute(0, 1, 3, 4, 2), 3), volume) == "misplaced.turned"


def test_spots_of_layers_that_mix_all_places_show_nothing():
    class Mixes(Inside):
        def __init__(self):
            super().__init__(lambda x: x)
            self.mixer = nn.Linear(64, 64)
            self.encoder.append(nn.Flatten(2)).append(self.mixer).append(nn.Unflatten(2, (8, 8)))

    assert code_of(Mixes()) is None


def test_a_crop_that_the_grid_is_too_coarse_to_place_is_said():
    model = nets.seeded(Inside(lambda x: x[..., 2:-2, 2:-2]))
    model.encoder[2] = nn.Sequential(model.encoder[2], nn.ReLU(), nn.AvgPool2d(3))
    (explanation,) = cl.explain(model, torch.rand(1, 1, 32, 32), target=0, layer="encoder")
    assert explanation.no_picture is None
    assert [note.code for note in explanation.scan.warnings] == ["misplaced.border"]


class Rolled(nn.Module):
    """Cells that are shifted round the border, for windows, and not shifted back."""

    def __init__(self, by):
        super().__init__()
        self.by = by
        self.cells, self.encoder = nn.Conv2d(1, 6, 4, 4), nn.Conv2d(6, 6, 2, 2)
        self.head = nn.Linear(6, 2)

    def forward(self, x):
        shifted = self.cells(x).relu().roll(self.by, (2, 3))
        return self.head(self.encoder(shifted).mean((2, 3)))


@pytest.mark.parametrize("size", [(64, 96), (64, 64), (56, 56)])
@pytest.mark.parametrize("by", [(-2, -2), (2, 2), (0, 0)])
def test_a_shift_of_a_cell_round_the_border_is_seen_in_the_corners(by, size):
    expected = "misplaced.elsewhere" if any(by) else None
    assert code_of(Rolled(by), torch.rand(1, 1, *size)) == expected


class Blocks(nn.Module):
    """As many blocks of cells as rows, of as many cells as columns."""

    def __init__(self):
        super().__init__()
        self.cells, self.encoder, self.head = (
            nn.Conv2d(1, 6, 4, 4),
            nn.LayerNorm(6),
            nn.Linear(6, 2),
        )

    def forward(self, x):
        cells = self.cells(x).unflatten(3, (2, 6)).unflatten(2, (4, 2))
        blocks = cells.permute(0, 2, 4, 3, 5, 1).flatten(3, 4).flatten(1, 2)
        return self.head(self.encoder(blocks).mean((1, 2)))


def test_blocks_of_cells_are_no_rows():
    assert code_of(Blocks(), torch.rand(1, 1, 32, 48)) == "misplaced.elsewhere"


def test_both_parts_of_a_spectrum_are_no_places():
    def spectrum(x):
        both = torch.fft.fft2(x, norm="ortho")
        return torch.cat([both.real, both.imag], 1)

    model = Inside(spectrum)
    model.encoder[0] = nn.Conv2d(2, 4, 3, 2, 1)
    assert code_of(model) == "misplaced.elsewhere"


def test_the_raw_map_stays_and_has_no_place():
    model = nets.seeded(Inside(lambda x: x.flip(-1)))
    (explanation,) = cl.explain(model, torch.rand(1, 1, 32, 32), target=0, layer="encoder")
    assert explanation.raw.shape == (8, 8)
    with pytest.raises(LayerError, match="mirrored inside the model"):
        explanation.on_original()


def test_a_model_is_examined_once_for_a_size(monkeypatch):
    verdicts = []

    def counted(strips):
        verdicts.append(strips.grid)
        return ""

    monkeypatch.setattr(alignment, "_verdict", counted)
    model = nets.seeded(Inside(lambda x: x))
    for size in (32, 32, 48):
        cl.explain(model, torch.rand(1, 1, size, size), target=0, layer="encoder")
    assert verdicts == [(8, 8), (12, 12)]
    model.encoder.append(nn.Identity())  # a user may change a network's parts
    cl.explain(model, torch.rand(1, 1, 32, 32), target=0, layer="encoder")
    assert verdicts[2:] == [(8, 8)]


def test_branches_beside_the_chosen_layer_are_said():
    class Ensemble(nn.Module):
        def __init__(self):
            super().__init__()
            self.members = nn.ModuleList(Inside(lambda x: x) for _ in range(2))

        def forward(self, x):
            return torch.stack([member(x) for member in self.members]).mean(0)

    def notes(model):
        (explanation,) = cl.explain(nets.seeded(model), torch.rand(1, 1, 32, 32), target=0)
        return [note.code for note in explanation.scan.warnings]

    assert notes(Ensemble()) == ["layer.branched"]
    assert notes(Inside(lambda x: x)) == []


def test_a_spot_is_many_cells_of_a_fine_grid() -> None:
    change = torch.zeros(64, 64)
    change[9, 52] = 0.7  # within the spot, off its middle
    change[40, 20] = 1.0
    assert not Spot((0.2, 0.85), change).is_away([])
    change[9, 52] = 0
    assert Spot((0.2, 0.85), change).is_away([])
