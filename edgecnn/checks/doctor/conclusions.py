"""Draws conclusions from a diagnosis of the preprocessing, as findings."""

from __future__ import annotations

from collections.abc import Iterator

from edgecnn.checks.doctor.finding import Finding, Level
from edgecnn.checks.doctor.preprocessing import Diagnosis


def findings(diagnosis: Diagnosis, whose: str | None) -> Iterator[Finding]:
    """Yield what images or a device's answers say of the preprocessing.

    Args:
        diagnosis: All that was tried.
        whose: Who states the assumed preprocessing, such as "its card"; None if nobody does.
    """
    best, assumed, n = diagnosis.best, diagnosis.tried[0], diagnosis.n
    share = f"{best.percent:.2f} % [{best.low_percent:.1f}, {best.high_percent:.1f}]"
    was = f"{assumed.percent:.2f} % [{assumed.low_percent:.1f}, {assumed.high_percent:.1f}]"
    also = f" Not told apart from it: {'; '.join(diagnosis.tied[:4])}" if diagnosis.tied else ""
    also += f" and {len(diagnosis.tied) - 4} more." if len(diagnosis.tied) > 4 else "." if also else ""
    if diagnosis.suspected:
        also += f" Better still, though not beyond chance among so many: {'; '.join(diagnosis.suspected[:4])}."
    if best.classes_answered == 1 and not diagnosis.of_device and diagnosis.is_poor:
        evidence = f"however it is fed, it calls every one of {n} pictures the same"
        yield Finding(level="wrong", subject="answers", evidence=evidence, mend="export it again")
    if diagnosis.order is not None:
        place = "on the device" if diagnosis.of_device else "in the file"
        evidence = f"{diagnosis.order.words}, {place}: {diagnosis.order.evidence}"
        mend = "give the device the file's own labels.txt" if diagnosis.of_device else "give the file its right labels"
        yield Finding(level="wrong", subject="classes", evidence=evidence, mend=mend)
    if not diagnosis.above_chance and not diagnosis.is_poor:
        chance = f"chance ({diagnosis.chance_percent:.1f} %)"
        evidence = f"cannot tell with n {n} whether anything tried fits better than {chance}: the best is {share}"
        mend = "try it with more pictures, of every class"
        yield Finding(level="note", subject="preprocessing", evidence=evidence, mend=mend)
    elif not diagnosis.above_chance:
        evidence = f"nothing tried fits better than chance ({diagnosis.chance_percent:.1f} %): the best is {share}"
        mend = "are these the pictures, and is this the model?"
        yield Finding(level="wrong", subject="preprocessing", evidence=evidence, mend=mend)
    elif diagnosis.of_device and not diagnosis.named:
        evidence = f"the device feeds what it should: {share} of its answers are the model's here, n {n}.{also}"
        level: Level = "note" if diagnosis.suspected else "ok"
        advice = "log more pictures, with the score of each answer" if diagnosis.suspected else None
        yield Finding(level=level, subject="preprocessing", evidence=evidence, mend=advice)
    elif diagnosis.of_device:
        evidence = (
            f"the device feeds: {diagnosis.named_words}. That gives {share} of its answers, the right way {was}; "
            f"{best.gained} pictures fit better and {best.lost} worse, p {best.p_value:.2g}, n {n}.{also}"
        )
        mend = f"feed {diagnosis.assumed}"
        yield Finding(level="wrong", subject="preprocessing", evidence=evidence, mend=mend)
    elif not diagnosis.named:
        subject = f"the preprocessing by {whose} fits" if whose else "probably trained with raw pixels"
        evidence = f"{subject}: top-1 {share}, n {n}.{also}"
        yield Finding(level="ok" if whose else "note", subject="preprocessing", evidence=evidence)
    else:
        against = f"{diagnosis.assumed}, by {whose}" if whose else "raw pixels"
        evidence = (
            f"probably trained with: {diagnosis.named_words}. Top-1 {share} so, {was} otherwise ({against}); "
            f"{best.gained} pictures gained and {best.lost} lost, p {best.p_value:.2g}, n {n}.{also}"
        )
        mend = "feed it so on the device" + (
            f"; what it says of itself is wrong ({whose}): export it again" if whose else ", and write it down"
        )
        yield Finding(level="wrong" if whose else "note", subject="preprocessing", evidence=evidence, mend=mend)
