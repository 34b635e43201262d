/** What `/curve.js` holds: uPlot, which the page loads once there is a curve to draw. */
export { default } from "uplot";
