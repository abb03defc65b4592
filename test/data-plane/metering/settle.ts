/** Settles at once, as a lane does that writes each answer by itself. False: the charge could not be written, and what was reserved went back. */
import type { Reservation } from "#data-plane/metering/reservation.ts";
import type { Settler } from "#data-plane/metering/settler.ts";

export function settle(
  settler: Settler,
  reservation: Reservation,
  status: number,
  measured: readonly number[] | null,
): boolean {
  settler.stage(reservation, status, measured);
  settler.flush();
  return !reservation.lost;
}

/** As `settle`, for the measured lines. */
export function settleMeasured(
  settler: Settler,
  reservation: Reservation,
  status: number,
  measured: readonly number[],
): boolean {
  settler.stageMeasured(reservation, status, measured);
  settler.flush();
  return !reservation.lost;
}
