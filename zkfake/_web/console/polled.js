/* What is read again and again while it is looked at. */

import { attempt } from "./dom.js";

const PAUSE = 1500;

/** A view whose `read()` is called when it is shown, and from then on until it is hidden. */
export class Polled {
  show() {
    this.shown = true;
    clearTimeout(this.timer);
    return this.turn();
  }

  hide() {
    this.shown = false;
    clearTimeout(this.timer);
  }

  /** Reads once more, now. */
  again() {
    return attempt(() => this.read());
  }

  async turn() {
    if (!document.hidden) {
      try {
        await this.read();
      } catch {
        // The header says that zkfake does not answer.
      }
    }
    clearTimeout(this.timer);
    if (this.shown) this.timer = setTimeout(() => this.turn(), PAUSE);
  }
}
