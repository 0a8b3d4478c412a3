"""The training curve: what is kept of a training beside its weights."""

from dataclasses import dataclass, field

NUM_BANDS = 5  # the noise levels 1..T are cut into so many equal bands for the validation loss


@dataclass
class TrainingHistory:
    """What happened: one row a validation point.

    Attributes:
        update: optimiser steps taken.
        loss: mean of L_simple since the row before.
        validation_loss: L_simple of the moving average on held-out normals; None where there are none.
        learning_rate: of the last step.
        seconds: of training so far.
        validation_loss_by_level: `validation_loss` in `NUM_BANDS` equal bands of t = 1..T, the cleanest first; None
            for a band that no held-out image fell into. A row is None where it was not measured, as in histories
            from before there were bands.
    """

    update: list[int] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    validation_loss: list[float | None] = field(default_factory=list)
    learning_rate: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    validation_loss_by_level: list[list[float | None] | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.validation_loss_by_level += [None] * (len(self.update) - len(self.validation_loss_by_level))

    def append(
        self,
        update: int,
        loss: float,
        validation_loss: float | None,
        learning_rate: float,
        seconds: float,
        by_level: list[float | None] | None = None,
    ) -> None:
        """Add the row of `update` (1-based)."""
        self.update.append(update)
        self.loss.append(loss)
        self.validation_loss.append(validation_loss)
        self.learning_rate.append(learning_rate)
        self.seconds.append(seconds)
        self.validation_loss_by_level.append(by_level)

    @property
    def best_row(self) -> int | None:
        """The row of the lowest validation loss, the first of equals; None where there is none."""
        rows = [row for row, loss in enumerate(self.validation_loss) if loss is not None]
        return min(rows, key=self.validation_loss.__getitem__, default=None)

    @property
    def rows_since_best(self) -> int:
        """Rows after the best one; 0 where there is none."""
        return 0 if self.best_row is None else len(self.update) - 1 - self.best_row
