"""animals: the drawn shelter, and two versions of one model over it."""

import numpy as np
import pytest

from shared_models import load, load_card
from shared_models.animals import data
from shared_models.animals.train import FIRST, SEED, TEST, TRAINING, Fitted, golden
from shared_models.iris.train import RECIPES, cross_validated

VERSIONS = ["1", "2"]
SHELTER = data.draw(2_000, seed=1)


def test_the_same_seed_draws_the_same_animals_and_another_seed_others() -> None:
    again, other = data.draw(2_000, seed=1), data.draw(2_000, seed=2)
    assert SHELTER.rows() == again.rows()
    assert np.array_equal(SHELTER.outcomes, again.outcomes)
    assert SHELTER.rows() != other.rows()


def test_a_row_is_one_word_and_four_numbers_in_their_ranges() -> None:
    assert set(SHELTER.species) == {species.name for species in data.SPECIES}
    returned, age, shyness, health = SHELTER.numbers.T
    assert set(returned) <= {0, 1, 2, 3, 4}
    assert (age >= 0).all()
    assert all(age[SHELTER.species == each.name].max() <= each.lifespan for each in data.SPECIES)
    assert min(shyness.min(), health.min()) >= 0
    assert max(shyness.max(), health.max()) <= 1
    assert all(len(row) == 1 + len(data.NUMBERS) for row in SHELTER.rows())


def test_the_classes_overlap_and_none_is_rare() -> None:
    shares = np.bincount(SHELTER.outcomes, minlength=len(data.OUTCOMES)) / len(SHELTER.outcomes)
    assert shares.min() > 0.05
    assert shares.max() < 0.6
    model = load("animals")
    preprocessor = model.card.preprocessor
    assert preprocessor
    found = model.predict(preprocessor.transform(SHELTER.rows())).argmax(axis=1)
    assert 0.82 < (found == SHELTER.outcomes).mean() < 0.93


def test_age_is_against_a_dog_and_for_a_parrot() -> None:
    """What the network of version 1 sees, and the line of version 2 cannot."""
    rows = [[species, 0, age, 0.2, 0.79] for species, old in (("dog", 12), ("parrot", 36)) for age in (2, old)]
    for version, parrots_gain in (("1", True), ("2", False)):
        model = load("animals", version)
        assert model.card.preprocessor
        young_dog, old_dog, young_parrot, old_parrot = model.predict(model.card.preprocessor.transform(rows))[:, 0]
        assert young_dog > old_dog
        assert (old_parrot > young_parrot) == parrots_gain


def test_what_it_takes_and_gives() -> None:
    model = load("animals")
    assert (model.input.shape, model.input.dtype, model.output.shape) == ((None, 8), "float32", (None, 3))
    assert model.labels == data.OUTCOMES
    assert model.features[:4] == ("species_cat", "species_dog", "species_parrot", "species_rabbit")
    assert model.features[4:] == data.NUMBERS
    assert not model.takes_images


@pytest.mark.parametrize("version", VERSIONS)
def test_the_card_tells_the_accuracy_on_animals_that_training_never_saw(version: str) -> None:
    model, test = load("animals", version), data.draw(TEST, SEED + 1)
    assert model.card.preprocessor
    found = model.predict(model.card.preprocessor.transform(test.rows())).argmax(axis=1)
    assert (found == test.outcomes).mean() == pytest.approx(model.card.accuracy["value"], abs=0.0005)


def test_version_2_is_weaker_and_says_so() -> None:
    first, second = load_card("animals", "1"), load_card("animals", "2")
    assert first.accuracy["value"] - second.accuracy["value"] > 0.04
    assert "Weaker" in second.summary


def test_both_versions_take_the_same_preprocessed_rows() -> None:
    first, second = load("animals", "1"), load("animals", "2")
    assert first.card.preprocessor == second.card.preprocessor
    assert np.array_equal(first.golden().inputs, second.golden().inputs)
    assert np.abs(first.golden().outputs - second.golden().outputs).max() > 0.1


@pytest.mark.parametrize("version", VERSIONS)
def test_the_golden_rows_lead_from_raw_to_probabilities(version: str) -> None:
    model = load("animals", version)
    stored = model.golden()
    assert list(stored.raw[0]) == FIRST == ["dog", 0, 4, 0.2, 0.79]
    assert [list(row) for row in stored.raw] == golden().rows()
    assert model.card.preprocessor
    answers = model.predict(model.card.preprocessor.transform(stored.raw))
    assert np.abs(answers - stored.outputs).max() <= 1e-5
    assert set(stored.outputs.argmax(axis=1)) == {0, 1, 2}


def test_the_stored_preprocessor_is_the_one_that_scikit_learn_fits() -> None:
    fitted, stored = Fitted(data.draw(TRAINING, SEED)), load_card("animals").preprocessor
    assert stored == fitted.preprocessor
    assert np.array_equal(stored.transform(SHELTER.rows()), fitted.transform(SHELTER))


def test_iris_2_looks_at_the_petals_alone_and_takes_the_rows_of_iris_1() -> None:
    first, second = load("iris", "1"), load("iris", "2")
    rows = first.golden().inputs
    assert np.array_equal(rows, second.golden().inputs)
    assert np.abs(first.golden().outputs - second.golden().outputs).max() > 0.1
    assert np.array_equal(second.predict(rows), second.predict(rows * np.array([9, 9, 1, 1], np.float32)))
    assert second.card.accuracy["value"] == pytest.approx(cross_validated(RECIPES[1]), abs=0.002)
