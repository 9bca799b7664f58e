"""Each option of the training does what its paper says: on sines of any phase, which two numbers describe."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence

from trainer.errors import SettingsError
from trainer.models.autoencoder import Network
from trainer.models.dense import DenseAutoencoder
from trainer.models.learning import learn, pretrain
from trainer.models.objective import Objective
from trainer.settings import DenseSettings, TrainingSettings
from trainer.settings.training import DenoisingSettings
from trainer.training.loop import evaluate_loss
from trainer.training.losses import loss_function
from trainer.training.penalties import contraction, disturbed, divergence_from_normal, kl_sparsity, latent_inconsistency
from trainer.training.smoothing import gaussian_kernels, smoothed

LENGTH = 24


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Networks this small wait for their threads most of the time."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def sines(count: int, seed: int) -> Tensor:
    """Windows [count, 1, LENGTH]: amplitude and phase are drawn at random."""
    generator = torch.Generator().manual_seed(seed)
    phase = 2 * math.pi * torch.rand(count, 1, 1, generator=generator)
    amplitude = 1 + 0.3 * torch.randn(count, 1, 1, generator=generator)
    return amplitude * torch.sin(phase + torch.arange(LENGTH) * (4 * math.pi / LENGTH))


def pulses(count: int, seed: int) -> Tensor:
    """Windows [count, 1, LENGTH]: one pulse of 3 to 6 samples, anywhere."""
    generator = torch.Generator().manual_seed(seed)
    begin = torch.randint(0, LENGTH - 6, (count, 1, 1), generator=generator)
    width = torch.randint(3, 7, (count, 1, 1), generator=generator)
    at = torch.arange(LENGTH)
    return ((at >= begin) & (at < begin + width)).float()


def training(**options: Any) -> TrainingSettings:
    return TrainingSettings.model_validate({"max_epochs": 60, "batch_windows": 32, "learning_rate": 0.01, **options})


def ignore(done: int, train: float, validation: float) -> None:
    pass


def built(seed: int = 0, **model: Any) -> DenseAutoencoder:
    torch.manual_seed(seed)
    return DenseAutoencoder(DenseSettings.model_validate({"hidden": (16, 8), **model}), (1, LENGTH))


def learned(model: DenseAutoencoder, **options: Any) -> DenseAutoencoder:
    learn(model, sines(256, seed=1), sines(64, seed=2), training(**options), 0, ignore)
    return model.eval()


def jacobian_norm(model: Network, windows: Tensor) -> float:
    """Mean squared Frobenius norm of the encoder's Jacobian, computed in full."""
    model.requires_grad_(requires_grad=False)
    jacobian = torch.func.vmap(torch.func.jacrev(lambda window: model.encode(window[None])[0]))(windows)
    return float(jacobian.square().sum(dim=(1, 2, 3)).mean())


# losses


@pytest.mark.parametrize(
    ("options", "cost"),
    [
        ({"loss": "mse"}, (0 + 1 + 9 + 9) / 4),
        ({"loss": "l1"}, (0 + 1 + 3 + 3) / 4),
        ({"loss": "rmse"}, (math.sqrt(1 / 2) + 3) / 2),  # a root for each window
        ({"loss": "huber", "huber_delta": 2.0}, (0 + 1 / 2 + 2 * (3 - 1) + 2 * (3 - 1)) / 4),
    ],
)
def test_losses_are_what_their_names_say(options: dict[str, Any], cost: float) -> None:
    reconstruction, features = torch.tensor([[[1.0, 1.0]], [[3.0, -3.0]]]), torch.tensor([[[1.0, 2.0]], [[0.0, 0.0]]])
    assert float(loss_function(training(**options))(reconstruction, features)) == pytest.approx(cost)


@pytest.mark.parametrize("loss", ["mse", "l1", "rmse", "huber"])
def test_a_perfect_reconstruction_costs_nothing_and_its_gradient_is_finite(loss: str) -> None:
    features = sines(4, seed=0).requires_grad_()
    cost = loss_function(training(loss=loss))(features, features.detach())
    torch.autograd.backward(cost)
    assert float(cost.detach()) < 1e-5
    assert features.grad is not None
    assert bool(features.grad.isfinite().all())


def test_robust_losses_are_not_drawn_away_by_strange_windows() -> None:
    """The best constant for windows of 0 and a few of 10: the mean for squares, near 0 for the others."""
    windows = torch.cat([torch.zeros(90, 1, 2), torch.full((10, 1, 2), 10.0)])
    best = {}
    for loss in ("mse", "l1", "rmse", "huber"):
        grid = torch.linspace(-1, 11, 1201)
        costs = [float(loss_function(training(loss=loss))(torch.full_like(windows, c), windows)) for c in grid.tolist()]
        best[loss] = float(grid[int(torch.tensor(costs).argmin())])
    assert best["mse"] == pytest.approx(1.0, abs=0.02)
    assert best["l1"] == pytest.approx(0.0, abs=0.02)
    assert best["rmse"] == pytest.approx(0.0, abs=0.02)
    assert 0 < best["huber"] < 0.2


# denoising


def test_gaussian_noise_has_the_level_asked_for() -> None:
    noise = disturbed(torch.zeros(100, 1, 100), DenoisingSettings(kind="gaussian", level=0.7), axes=1)
    assert float(noise.std()) == pytest.approx(0.7, rel=0.05)


def test_masking_sets_half_of_the_values_to_zero_and_leaves_the_others() -> None:
    masked = disturbed(torch.full((100, 1, 100), 2.0), DenoisingSettings(kind="masking"), axes=1)
    assert set(masked.flatten().tolist()) == {0.0, 2.0}
    assert float((masked == 0).float().mean()) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("denoising", [{"kind": "gaussian", "level": 0.5}, {"kind": "masking"}])
def test_a_denoising_autoencoder_gives_back_the_clean_window(denoising: dict[str, Any]) -> None:
    model = learned(built(hidden=(48,)), denoising=denoising)  # wider than the window: it could copy
    clean = sines(200, seed=3)
    torch.manual_seed(0)
    noisy = disturbed(clean, DenoisingSettings.model_validate(denoising), axes=1)
    with torch.inference_mode():
        restored = model(noisy)
    assert float((restored - clean).square().mean()) < 0.25 * float((noisy - clean).square().mean())


def test_every_other_window_is_blurred_instead_where_that_is_asked_for() -> None:
    steps = torch.zeros(400, 1, LENGTH)
    steps[:, :, LENGTH // 2 :] = 1.0
    torch.manual_seed(0)
    spoilt = disturbed(steps, DenoisingSettings(level=2.0, blur_samples=3.0), axes=1)
    rough = spoilt.diff(dim=2).abs().amax(dim=(1, 2)) > 1.001  # a blurred step climbs by 1 in all
    assert float(rough.float().mean()) == pytest.approx(0.5, abs=0.08)
    blurred = spoilt[~rough]
    assert bool((blurred.diff(dim=2) > -1e-5).all())
    steepest = blurred.diff(dim=2).amax(dim=(1, 2))
    assert float(steepest.min()) < 0.2  # widths up to the largest
    assert float(steepest.max()) > 0.8  # and down to nothing


def test_training_with_blurred_windows_makes_them_sharper() -> None:
    clean = pulses(200, seed=3)
    torch.manual_seed(0)
    blurred = smoothed(clean, gaussian_kernels(torch.full((200,), 1.5)), 1)
    left = {}
    for blur in (None, 3.0):
        model = built(hidden=(48, 24), activation="relu")
        denoising = training(denoising={"level": 0.1, "blur_samples": blur}, max_epochs=150)
        learn(model, pulses(256, seed=1), pulses(64, seed=2), denoising, 0, ignore)
        with torch.inference_mode():
            left[blur] = float((model.eval()(blurred) - clean).square().mean())
    assert left[3.0] < 0.5 * float((blurred - clean).square().mean())
    assert left[3.0] < 0.7 * left[None]


# sparsity


@pytest.mark.parametrize("target", [0.005, 0.02, 0.05])
def test_kl_sparsity_brings_the_mean_activity_to_its_target(target: float) -> None:
    activity = {}
    for weight in (0.1, 30.0):
        sparse = {"kind": "kl", "target_activation": target, "weight": weight}
        model = learned(built(hidden=(32,), code_activation="sigmoid"), sparse=sparse)
        with torch.inference_mode():
            activity[weight] = model.encode(sines(500, seed=3)).mean(dim=0)
    assert float(activity[30.0].mean()) == pytest.approx(target, abs=0.005)
    assert float((activity[30.0] - target).abs().max()) < 0.01  # each number, not only all together
    assert float(activity[0.1].mean()) > target + 0.03  # where it hardly weighs


def test_kl_sparsity_is_the_divergence_of_two_coins() -> None:
    code = torch.tensor([[0.1, 0.3], [0.3, 0.5]])  # mean activities 0.2 and 0.4
    coins = [torch.distributions.Bernoulli(torch.tensor(p)) for p in (0.05, 0.2, 0.4)]
    expected = sum(float(kl_divergence(coins[0], coin)) for coin in coins[1:])
    assert float(kl_sparsity(code, 0.05)) == pytest.approx(expected, rel=1e-4)
    assert float(kl_sparsity(torch.full((9, 3), 0.05), 0.05)) == pytest.approx(0, abs=1e-6)
    assert math.isfinite(float(kl_sparsity(torch.zeros(9, 3), 0.05)))


def test_l1_sparsity_silences_most_of_the_code() -> None:
    silent = {}
    for weight in (1e-9, 1.0):
        model = learned(built(hidden=(32,), code_activation="relu"), sparse={"kind": "l1", "weight": weight})
        with torch.inference_mode():
            silent[weight] = float((model.encode(sines(200, seed=3)) < 1e-3).float().mean())
    assert silent[1.0] > silent[1e-9] + 0.2


# contraction


def test_the_estimate_of_the_jacobian_is_right_on_average() -> None:
    model, windows = built(code_activation="sigmoid"), sines(16, seed=3)
    torch.manual_seed(0)
    with torch.no_grad():
        estimates = [float(contraction(model.encode, windows)) for _ in range(200)]
    assert sum(estimates) / len(estimates) == pytest.approx(jacobian_norm(model, windows), rel=0.05)


def test_contraction_makes_the_code_less_sensitive_to_the_window() -> None:
    norms = {}
    for weight in (1e-9, 1.0):
        model = learned(built(code_activation="sigmoid"), contractive={"weight": weight})
        norms[weight] = jacobian_norm(model, sines(50, seed=3))
    assert norms[1.0] < 0.5 * norms[1e-9]


def test_contraction_can_be_measured_where_no_gradients_are_kept() -> None:
    model = built(tied_weights=True)
    with torch.no_grad():
        assert float(contraction(model.encode, sines(4, seed=3))) > 0


# variational


def test_the_divergence_is_that_of_normal_distributions() -> None:
    mean, log_variance = torch.tensor([[0.5, -1.0]]), torch.tensor([[0.2, -0.7]])
    exact = kl_divergence(Normal(mean, (0.5 * log_variance).exp()), Normal(0.0, 1.0)).sum()
    assert float(divergence_from_normal(mean, log_variance)) == pytest.approx(float(exact), rel=1e-5)


def test_beta_trades_reconstruction_for_a_code_that_is_normally_distributed() -> None:
    divergences, losses = [], []
    for beta in (0.001, 1.0, 100.0):
        settings = training(variational={"beta": beta})
        model = built()
        objective = Objective(model, settings)
        learn(model, sines(256, seed=1), sines(64, seed=2), settings, 0, ignore)
        with torch.inference_mode():
            codes = model.eval().encode(sines(200, seed=3))
            divergences.append(float(0.5 * codes.square().sum(dim=1).mean()))  # of the means, from the centre
            losses.append(evaluate_loss(Objective(model, training()), sines(200, seed=3), 0))
        assert set(model.state_dict()) == {name.removeprefix("model.") for name in objective.model.state_dict()}
    assert divergences[0] > divergences[1] > divergences[2]
    assert losses[0] < losses[1] < losses[2]


def test_a_variational_code_is_drawn_in_training_and_its_mean_in_use() -> None:
    model = built()
    objective = Objective(model, training(variational={"beta": 0.01}))
    windows = sines(8, seed=3)
    with torch.no_grad():
        assert float(objective(windows)) != float(objective(windows))
        assert torch.equal(model.eval()(windows), model(windows))


def test_the_variance_of_a_variational_code_learns_but_is_not_part_of_the_model() -> None:
    model = built()
    objective = Objective(model, training(variational={"beta": 0.01}))
    assert objective.log_variance is not None
    torch.autograd.backward(objective(sines(8, seed=3)))
    gradients = [parameter.grad for parameter in objective.log_variance.parameters()]
    assert all(gradient is not None and bool(gradient.abs().sum() > 0) for gradient in gradients)
    assert not any("variance" in name for name in model.state_dict())


# consistency in latent space


def test_consistent_codes_survive_being_reconstructed_and_encoded_again() -> None:
    inconsistency = {}
    for weight in (1e-9, 1.0):
        model = learned(built(), latent_consistency={"weight": weight}, denoising={"level": 1.0})
        with torch.inference_mode():
            code = model.encode(sines(200, seed=3))
            inconsistency[weight] = float(latent_inconsistency(code, model.encode(model.decode(code))))
    assert inconsistency[1.0] < 0.3 * inconsistency[1e-9]


def test_inconsistency_does_not_depend_on_the_scale_of_the_code() -> None:
    code, again = torch.randn(2, 50, 4).unbind()
    assert float(latent_inconsistency(code, again)) == pytest.approx(float(latent_inconsistency(code / 9, again / 9)))
    assert float(latent_inconsistency(code[:1], again[:1])) == 0


# all together


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ({"code_activation": "sigmoid"}, {"denoising": {}, "sparse": {}, "contractive": {}, "latent_consistency": {}}),
        ({"tied_weights": True}, {"variational": {}, "latent_consistency": {}, "loss": "huber"}),
        ({"dropout": 0.2, "batch_norm": True}, {"sparse": {"kind": "l1"}, "denoising": {}, "loss": "rmse"}),
    ],
)
def test_options_combine_and_every_number_is_reached_by_the_gradient(
    model: dict[str, Any], options: dict[str, Any]
) -> None:
    network = built(**model)
    torch.autograd.backward(Objective(network, training(**options))(sines(16, seed=3)))
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_chance_in_the_training_follows_from_the_seed_alone() -> None:
    def weights(elsewhere: int) -> list[Tensor]:
        model = built(dropout=0.2)
        torch.manual_seed(elsewhere)
        return list(learned(model, denoising={}, max_epochs=3).state_dict().values())

    assert all(torch.equal(a, b) for a, b in zip(weights(7), weights(8), strict=True))


def test_learning_does_not_disturb_anyone_elses_random_numbers() -> None:
    model = built()
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    learned(model, denoising={}, max_epochs=1)
    assert torch.equal(torch.rand(3), expected)


def test_epochs_are_compared_under_the_same_noise() -> None:
    objective = Objective(built(), training(denoising={}))
    first, second = (evaluate_loss(objective, sines(64, seed=2), seed=5) for _ in range(2))
    assert first == second != evaluate_loss(objective, sines(64, seed=2), seed=6)


def test_a_single_window_left_over_does_not_stop_batch_normalization() -> None:
    model = built(batch_norm=True)
    history = learn(model, sines(65, seed=1), sines(9, seed=2), training(max_epochs=2), 0, ignore)
    assert len(history.train_loss) == 2


@pytest.mark.parametrize("size", [LENGTH, 100])
def test_a_code_that_could_copy_is_refused_unless_something_keeps_it_from_copying(size: int) -> None:
    with pytest.raises(SettingsError, match=f"a code of {size} numbers can copy windows of {LENGTH}"):
        learned(built(hidden=(size,)))
    learned(built(hidden=(size,)), denoising={}, max_epochs=1)
    learned(built(hidden=(size, size), dropout=0.2), max_epochs=1)


def test_a_code_that_could_copy_is_refused_of_a_family_without_a_setting_for_dropout() -> None:
    flat = nn.Sequential(nn.Flatten(), nn.Linear(LENGTH, LENGTH))
    network = Network({}, (1, LENGTH), flat, nn.Identity(), nn.Unflatten(1, (1, LENGTH)))
    with pytest.raises(SettingsError, match=f"a code of {LENGTH} numbers can copy windows of {LENGTH}"):
        learn(network, sines(64, seed=1), sines(16, seed=2), training(max_epochs=1), 0, ignore)


# layer by layer


def starting_loss(prepare: Callable[[DenseAutoencoder], None], **model: Any) -> float:
    network = built(hidden=(20, 16, 12, 8), **model)
    prepare(network)
    return evaluate_loss(Objective(network, training()), sines(100, seed=3), 0)


@pytest.mark.parametrize("model", [{}, {"tied_weights": True}, {"batch_norm": True}])
def test_pre_training_lowers_the_loss_that_training_starts_from(model: dict[str, Any]) -> None:
    def trained_by_layers(network: DenseAutoencoder) -> None:
        pretrain(network, sines(256, seed=1), sines(64, seed=2), training(pretraining_epochs=15), 0, ignore)

    assert starting_loss(trained_by_layers, **model) < 0.5 * starting_loss(lambda _: None, **model)


def test_pre_training_leaves_no_layer_out_and_is_no_epoch_of_the_training() -> None:
    network, heard = built(hidden=(16, 8, 4)), []
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    settings = training(pretraining_epochs=2, max_epochs=1)
    history = learn(network, sines(64, 1), sines(16, 2), settings, 0, lambda done, *_: heard.append(done))
    assert heard == [0] * 6 + [1]
    assert len(history.train_loss) == 1
    assert not [name for name, tensor in network.state_dict().items() if torch.equal(tensor, before[name])]


def test_pre_training_stages_pair_each_layer_with_its_mirror() -> None:
    network = built(hidden=(16, 8, 4))
    sizes = [
        tuple(next(layer.weight.shape for layer in part.modules() if isinstance(layer, nn.Linear)) for part in stage)
        for stage in network.stages()
    ]
    assert sizes == [((16, 24), (24, 16)), ((8, 16), (16, 8)), ((4, 8), (8, 4))]
