"""What the tables of a public data set know of its images: patients, findings, views."""

from __future__ import annotations

from dataclasses import replace

from camlucida.datasets.images import LabelledImages
from camlucida.datasets.patients import NO_PATIENTS
from camlucida.datasets.public_truth import PublicTruth
from camlucida.io.image import image_id


def public_views(cohort: LabelledImages, public: PublicTruth) -> dict[str, str]:
    """Image → view, of the images whose view the tables have.

    Args:
        cohort: the images.
        public: the tables.
    """
    stems = {image.id: image_id(image.path, None) for image in cohort.images}
    return {name: public.views[stem] for name, stem in stems.items() if stem in public.views}


def _public_findings(public: PublicTruth, stem: str) -> tuple[str, ...] | None:
    stated = public.labels.get(stem)
    if stated is None:
        return None
    return tuple(name for name in public.join.labels if name and name in stated)


def with_public_facts(cohort: LabelledImages, public: PublicTruth) -> LabelledImages:
    """Images with the patients and findings of public tables, where no table of the user has them.

    Patients are known only if the tables have that of every image.

    Args:
        cohort: the images.
        public: the tables.
    """
    by_path = {image.path: image_id(image.path, None) for image in cohort.images}
    known = all(stem in public.patients for stem in by_path.values())
    use_patients = known and not cohort.patients_known
    images = []
    for image in cohort.images:
        stem = by_path[image.path]
        patient = public.patients[stem] if use_patients else image.patient
        positives = image.positives
        if positives is None:
            positives = _public_findings(public, stem)
        images.append(replace(image, positives=positives, patient=patient))
    notes = cohort.notes
    if use_patients:
        notes = tuple(note for note in notes if note != NO_PATIENTS)
    return replace(
        cohort,
        images=tuple(images),
        notes=notes,
        patients_known=cohort.patients_known or known,
    )
