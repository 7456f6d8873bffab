/** A value that others can watch. Changes inside one turn are told once, after it. */
export class Store<T extends object> {
  private watchers = new Set<() => void>();
  private pending = false;

  constructor(private current: T) {}

  get value(): T {
    return this.current;
  }

  /** Replaces the given members; watchers hear of it only when one differs. */
  set(change: Partial<T>): void {
    const keys = Object.keys(change) as (keyof T)[];
    if (keys.every((key) => Object.is(this.current[key], change[key]))) return;
    this.current = { ...this.current, ...change };
    if (this.pending) return;
    this.pending = true;
    queueMicrotask(() => {
      this.pending = false;
      for (const watcher of [...this.watchers]) watcher();
    });
  }

  watch(watcher: () => void): () => void {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  }
}
