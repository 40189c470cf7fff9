"""An application as people write them, which knows nothing of simulations. `test_library` names the
package in ``patch=``.
"""
