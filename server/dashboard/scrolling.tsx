/** Long lists: what is far from the screen is not drawn, and the next page is asked for before its end is reached. */
import { type ComponentChildren, createContext } from "preact";
import { useContext, useEffect, useRef, useState } from "preact/hooks";
import type { PagedState } from "./client/pages.ts";
import { STRINGS } from "./strings.ts";

/** How far beyond the screen the list is drawn and read, and its parts are looked at one by one. */
const [MARGIN, GROUP_MARGIN] = ["1200px", "3600px"];

/** False for the parts of a group that is far from the screen. */
const IsWatched = createContext(true);

/** Says whenever an element comes near the screen or leaves it. What has the focus stays near. */
function useNearness(onChange: (isNear: boolean, height: number) => void, rootMargin = MARGIN) {
  const isWatched = useContext(IsWatched);
  const element = useRef<HTMLDivElement>(null);
  const latest = useRef(onChange);
  latest.current = onChange;
  useEffect(() => {
    const { current } = element;
    if (current === null || !isWatched) return;
    const root = current.closest(".scroll");
    const observer = new IntersectionObserver((entries) => {
      const entry = entries.at(-1);
      // A list that is hidden stays as it is, to be found as it was.
      if (root?.clientHeight === 0) return;
      const isNear = entry?.isIntersecting || current.contains(document.activeElement);
      if (entry !== undefined) latest.current(isNear, entry.boundingClientRect.height);
    }, { root, rootMargin });
    observer.observe(current);
    return () => observer.disconnect();
  }, [isWatched]);
  return element;
}

/** A part of a list: drawn near the screen, an empty box of the same height elsewhere. */
export function Part({ children }: { children: () => ComponentChildren }) {
  const [height, setHeight] = useState<number | null>(null);
  const element = useNearness((isNear, height) => setHeight(isNear ? null : height));
  return (
    <div ref={element} style={height === null ? {} : { height: `${height}px` }}>
      {height === null && children()}
    </div>
  );
}

/**
 * Parts that follow one another, those of a list laid out from its end. A browser lays all of a box out when one thing in it
 * changes, and asks each observer at each frame: of thousands of parts that alone takes longer than a frame.
 */
export function PartGroup({ children }: { children: ComponentChildren }) {
  const [isNear, setNear] = useState(true);
  const element = useNearness(setNear, GROUP_MARGIN);
  return (
    <div ref={element} class="parts">
      <IsWatched.Provider value={isNear}>{children}</IsWatched.Provider>
    </div>
  );
}

/** The end of what was read: asks for more when it comes near, and shows why there is none. */
export function ListEnd({ state, more }: { state: PagedState<unknown>; more: () => void }) {
  const isNear = useRef(false);
  const element = useNearness((near) => {
    isNear.current = near;
    if (near && state.error === null) more();
  });
  const { pages } = state;
  // A short page may leave the end in sight, which no observer reports again.
  useEffect(() => {
    if (isNear.current) more();
  }, [pages]);
  return (
    <div ref={element} class="list-end">
      {state.error !== null
        ? (
          <p role="alert">
            {state.error} <button type="button" onClick={more}>{STRINGS.tryAgain}</button>
          </p>
        )
        : !state.isComplete && <p class="quiet">{STRINGS.conversations.loading}</p>}
    </div>
  );
}
