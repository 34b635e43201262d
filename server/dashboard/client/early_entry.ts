/** What `/early.js` holds: it is small, so it runs long before the page's script is there. */
import { askEarly } from "./early.ts";

askEarly(location.hash);
